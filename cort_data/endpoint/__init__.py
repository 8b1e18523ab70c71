"""A model behind OpenAI's chat API, with the tool loop on the server's side: other harnesses see an ordinary model.

A request's messages become one question, the one rollout loop answers it, and what it writes goes back as it is
written: the thinking with its code and outputs as `reasoning_content`, what follows the thinking as `content`.
"""
