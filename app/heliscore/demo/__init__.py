"""A demo organization: an outdoor shop whose assistants answer customers and staff, and review its code.

exchange, texts/   the questions and answers of its three features
features           the features with their prompts and models
providers          the models, and bodies in their providers' formats
judgement          how good an answer is, and the scores it gets
reviewers          the authors of the scores, and the corrections of people
traffic            makes requests with scores from a seed: pure
meanings           defines the scores
bookmarks          saves views of requests
past_alarm         adds a monitor that fires, with its history
assignment         makes a review queue, half done
taken_back         removes a score
organization       makes, fills and removes the organization in the database
"""
