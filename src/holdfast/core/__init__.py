"""What the product is: values, rules and the ports they need. No HTTP, no SQL, no vendor shapes."""
