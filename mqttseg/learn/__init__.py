"""What recorded traffic says about policies: the least policy that allows it, and what a candidate would break.

Owns both answers (proposal.py, replay.py). They rest on flows (observe) and on decisions (policy), and decide nothing
themselves: what is learnt is a proposal for an operator to read, and no broker ever takes it unasked. Refuses to know
where flows are kept, files, clocks and the command line. What it reads was chosen by devices, so no text of theirs is
written anywhere but as a quoted scalar or an escaped comment.
"""
