"""The operators' desk: the HTTP and WebSocket API, the console, and the read models behind them.

What comes first knows what follows and not the other way round (a contract in pyproject.toml says so):

- ``http``: what faces the browser. The application, its handlers, the socket.
- ``node``: one desk process put together; ``commands``: what operators ask for, and how it is answered.
- ``screens``: what each open desk is told, record by record.
- ``conversations``: the lists, the histories, and what may be sent where.
- ``canned``: prepared answers; ``operators``: who is signed in, and who is there.
- ``protocol``: the structs that desk and browser exchange.
- ``ports``: what the desk needs from outside, which ``broker`` gives it.
- ``finding``: search and reports, as they are asked for and answered; ``settings``: the desk's part of the file.
"""
