"""A demo organization: an outdoor shop whose assistants answer customers and staff, and review its code.

texts                        the questions and answers of its three features
traffic                      who asks when, by which model, how well: pure and seeded
organization                 makes the organization, fills it, takes it away again
"""
