"""Built firmware images, and what is read and measured from them."""
