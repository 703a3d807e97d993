"""Folders of labelled pictures → a candidate package and its report."""
