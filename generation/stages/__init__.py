"""The networks of the cascade: C makes the semantic latent, B the image latent from it, A the pixels; the encoder goes back."""
