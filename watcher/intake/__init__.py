"""What has arrived: scan, settle, claim, release. Opens no picture."""
