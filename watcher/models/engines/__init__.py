"""The ways to run one Keras model, behind one small interface; which of them is the fastest here is measured."""
