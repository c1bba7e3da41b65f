"""What goes wrong with an image, said in a sentence."""


class ImageError(Exception):
    """An image that cannot be fetched, read or stored; the message says which and why."""
