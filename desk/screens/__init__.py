"""What each open desk (a screen) shows: told in log order, resumed by cursor, no more than its operator may see."""
