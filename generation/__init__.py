"""Make images: the UltraPixel cascade."""
