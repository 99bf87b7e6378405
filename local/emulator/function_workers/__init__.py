"""How the emulator starts the processes in which functions run, and which invocation gets which of them."""
