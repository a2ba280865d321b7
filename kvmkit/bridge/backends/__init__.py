"""Who configures the NIC: for each, the commands that make a bridge of it and the way back."""
