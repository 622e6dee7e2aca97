package keda

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const (
	// defaultTarget is how many messages make a replica.
	defaultTarget = 5
	// gpuClass is the class whose pods are worth one message each.
	gpuClass = "gpu"
	// maxPerPod is the most that slots and target can be.
	maxPerPod = 10_000
)

// A trigger is what a ScaledObject's trigger says.
type trigger struct {
	queue     string
	target    int  // messages for each replica
	slots     int  // that a pod has
	elsewhere bool // its pods are in a namespace where none are known
}

// keda's own keys, which a scaler is told as well.
var kedaKeys = []string{"scalerAddress", "enableTLS", "unsafeSsl"}

// parseTrigger reads the metadata of a trigger; a key that ends in FromEnv has its value already. The error is a sentence.
func parseTrigger(metadata map[string]string) (trigger, error) {
	var t trigger
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		value := metadata[key]
		n, notNumber := strconv.Atoi(value)
		name := strings.TrimSuffix(key, "FromEnv")
		if _, plain := metadata[name]; plain && name != key {
			return t, fmt.Errorf("metadata: there is both %s and %s", name, key)
		}
		switch {
		case slices.Contains(kedaKeys, name):
			continue
		case name == "queue":
			t.queue = value
			continue
		case name != "target" && name != "slots":
			return t, fmt.Errorf("metadata: there is no key %q; there are queue, target and slots", key)
		case notNumber != nil || n < 1 || n > maxPerPod:
			return t, fmt.Errorf("metadata: %s must be 1 to %d, got %q", key, maxPerPod, value)
		case name == "target":
			t.target = n
		default:
			t.slots = n
		}
	}
	if t.target == 0 {
		t.target = defaultTarget
		if t.queue == gpuClass {
			t.target = 1
		}
	}
	if t.slots == 0 {
		t.slots = t.target
	}
	return t, nil
}
