package pgjournal

import (
	"net"
	"time"
)

// dialer ends connections whose server is gone, also under what has no limit of its own.
var dialer = net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	Control:         giveUp,
}
