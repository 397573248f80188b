"""LocalStack plugins for the embedded emulator: each module is one of them, or a part of one."""
