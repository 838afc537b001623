"""What runs one job and answers with an outcome; nothing here touches Redis."""
