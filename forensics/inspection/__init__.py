"""What images are, without judging them."""
