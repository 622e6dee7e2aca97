package sdk

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// AttributesMD5 is what SQS returns for attributes that hold text: those of type String and Number (SQS Developer Guide,
// MD5 message digest calculation).
func AttributesMD5(attributes map[string]types.MessageAttributeValue) string {
	const text = 1 // the transport type
	var b []byte
	part := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		part(name)
		part(aws.ToString(attributes[name].DataType))
		b = append(b, text)
		part(aws.ToString(attributes[name].StringValue))
	}
	s := md5.Sum(b)
	return hex.EncodeToString(s[:])
}
