"""Released weights of Stable Cascade and UltraPixel, by their own names. Nothing is ever downloaded."""
