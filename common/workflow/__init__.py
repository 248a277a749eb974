"""What runs the notebooks: papers, rules, jobs, locks, environments."""
