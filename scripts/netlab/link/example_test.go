package link_test

import (
	"fmt"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/link"
)

// Two packets of 1250 bytes reach a link of 1 Mbit/s at the same moment: the
// second one waits until the first has been sent.
func Example() {
	p, err := link.NewPipe(link.Shape{Delay: 25 * time.Millisecond, Rate: 1_000_000}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	packet := make([]byte, 1250)
	for range 2 {
		fate := p.Send(0, packet)
		fmt.Println(fate.At[:fate.N])
	}
	// Output:
	// [35ms]
	// [45ms]
}

func ExampleShape_Validate() {
	fmt.Println(link.Shape{Loss: 5}.Validate())
	fmt.Println(new(link.Percent).UnmarshalText([]byte("5")))
	// Output:
	// Loss is 5: want 0 to 1 (0% to 100%)
	// "5": want a percentage with its sign, "0%" to "100%", as "1%" or "0.25%"
}
