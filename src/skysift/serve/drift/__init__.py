"""Whether what arrives, and what is answered, is still like the data that the model was made of."""
