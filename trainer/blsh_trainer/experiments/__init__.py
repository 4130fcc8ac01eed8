"""The paper's tables and figures, on whatever corpus is given, and the bars that the learner has to clear."""
