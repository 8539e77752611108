"""Nouns and rules: values in, values out; nothing here touches the world."""
