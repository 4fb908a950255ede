"""Faces: where they are in a picture, so that each can be judged by itself. Nobody is recognised."""
