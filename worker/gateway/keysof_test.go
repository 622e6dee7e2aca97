package gateway

func keysOf(k *Key) func(string) *Key { return func(string) *Key { return k } }
