"""What a type checker tells users about the package."""
