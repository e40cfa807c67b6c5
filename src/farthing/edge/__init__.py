"""The door: HTTP in and out. Knows who is calling and in which dialect; decides nothing about models."""
