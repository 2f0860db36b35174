"""What holders do with their credentials: take them into a wallet, and share them by a link."""
