// Package externalscaler is the gRPC service that KEDA asks, generated from a copy of its definition.
package externalscaler

//go:generate go run ../../deploy/tools/protoc externalscaler.proto
