"""The physical-design study of the score table: candidates as SQL files, one program that measures them."""
