package main

import "syscall"

func leaveTerminal() { syscall.NewLazyDLL("kernel32.dll").NewProc("FreeConsole").Call() }
