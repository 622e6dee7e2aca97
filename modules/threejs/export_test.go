package threejs

// What tests of the room need.
const RoomFile = roomFile

var PackRoom, UnpackRoom = delta, undelta
