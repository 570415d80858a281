"""The people at the desk: who is signed in, and who has one open."""
