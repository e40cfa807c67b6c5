"""What was said of answers, read back: quality beside every lever, scores of evals brought in, the arms of experiments compared."""
