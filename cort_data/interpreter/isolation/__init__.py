"""What keeps a session's code from the machine, on Linux: the levels of isolation and the kernel's means for them."""
