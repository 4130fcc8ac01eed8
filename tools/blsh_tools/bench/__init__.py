"""What `blsh bench-firmware` and `blsh bars-firmware` measure and print."""
