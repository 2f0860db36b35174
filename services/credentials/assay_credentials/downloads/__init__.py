"""What can be taken away: credentials as files, transcripts (CLR 2.0), endorsements."""
