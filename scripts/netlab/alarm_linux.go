package netlab

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// alarm is a timer of the kernel. A timer of the Go runtime is late by up to a
// millisecond where nothing else keeps the process awake.
type alarm struct {
	file *os.File
	conn syscall.RawConn
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make timer: %w", err)
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("make timer: %w", err)
	}
	return &alarm{file: file, conn: conn}, nil
}

// set makes the alarm go off after d, and forgets the time set before.
func (a *alarm) set(d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))}
	var err error
	if e := a.conn.Control(func(fd uintptr) { err = unix.TimerfdSettime(int(fd), 0, &spec, nil) }); e != nil {
		return e
	}
	return err
}

// wait returns when the alarm goes off, or with an error when it is closed.
func (a *alarm) wait() error {
	var ticks [8]byte
	_, err := a.file.Read(ticks[:])
	return err
}

func (a *alarm) close() { a.file.Close() }
