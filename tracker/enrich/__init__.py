"""What other services than PubMed add: each is a file here, and each can be left out."""
