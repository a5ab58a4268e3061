"""The published networks on their own data set: training, what each fault costs, and searches."""
