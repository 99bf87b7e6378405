"""The processes of functions: how the emulator starts them and assigns them to invocations."""
