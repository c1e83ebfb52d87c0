package capture_test

import (
	"bytes"
	"fmt"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/capture"
)

func Example() {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file)
	if err == nil {
		err = w.WritePacket(time.Unix(0, 0), []byte{0x45, 0, 0, 20, 19: 0})
	}
	fmt.Println(file.Len(), err)
	// Output: 60 <nil>
}
