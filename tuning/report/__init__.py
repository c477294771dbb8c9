"""The report of a study: statistics, tables, pictures, and the pages made of them."""
