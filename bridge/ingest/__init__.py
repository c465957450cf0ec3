"""From deliveries to committed batches: buffer -> one transaction -> acknowledgement."""
