"""What `local` is compared with: each opens, runs sessions with checked answers, and closes."""
