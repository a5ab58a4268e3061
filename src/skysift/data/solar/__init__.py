"""The Sun: images of the whole disk and of active regions."""
