"""The density-ratio model: a classifier of noise levels whose output is a likelihood and whose gradient is a denoiser.

Yadin, Elata, Michaeli, "Classification Diffusion Models", NeurIPS 2024, arXiv:2402.10095.
"""
