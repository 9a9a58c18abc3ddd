"""What a caller is told and to whom the call goes: the answer webhook in, an NCCO out."""
