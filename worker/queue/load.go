package queue

// A Load is how much there is to do in a queue, for who scales workers by it. Unlike Depth it costs as few requests as the
// broker allows, tells apart what can be told apart, and leaves the dead-letter queue alone.
type Load struct {
	Visible  int // the next Receive may get them
	InFlight int // workers have them; on SQS, which does not tell, those handed back for later as well
	Delayed  int // sent with a delay that ends within a quarter of an hour: SQS knows no longer ones
	Later    int // hidden otherwise: handed back for later, or sent with a longer delay; on SQS always 0
	Requests int // what the count has cost, also one that failed
}
