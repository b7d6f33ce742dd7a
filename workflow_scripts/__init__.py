"""Scripts of the workflow (one per rule), the library they call (`diffeo`) and what they share (`support`)."""
