"""What makes a home whole besides its pictures, in one file, and back: backup and restore."""
